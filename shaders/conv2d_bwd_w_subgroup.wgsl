// use: wgrad_operands, put, tile_subgroup
// Weight gradients of conv2d and conv_transpose2d on the subgroup tile. Operands:
// lib/wgrad_operands, loops: lib/tile_subgroup.
