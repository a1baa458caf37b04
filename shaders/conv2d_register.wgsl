// use: conv_operands, tile_register
// conv2d, conv_transpose2d and their input gradients on the register tile. Operands:
// lib/conv_operands, loops: lib/tile_register.
