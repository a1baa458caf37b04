// use: conv_operands, tile_subgroup
// conv2d, conv_transpose2d and their input gradients on the subgroup tile. Operands:
// lib/conv_operands, loops: lib/tile_subgroup.
