// use: conv_operands, tile_workgroup
// conv2d, conv_transpose2d and their input gradients on the workgroup tile. Operands:
// lib/conv_operands, loops: lib/tile_workgroup.
