// use: wgrad_operands, put, tile_register
// Weight gradients of conv2d and conv_transpose2d on the register tile. Operands:
// lib/wgrad_operands, loops: lib/tile_register.
