// use: wgrad_operands, put, tile_workgroup
// Weight gradients of conv2d and conv_transpose2d on the workgroup tile. Operands:
// lib/wgrad_operands, loops: lib/tile_workgroup.
