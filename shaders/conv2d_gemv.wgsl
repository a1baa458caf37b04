// use: conv_operands, tile_gemv
// conv2d, conv_transpose2d and their input gradients for a few pixels. Operands: lib/conv_operands,
// loops: lib/tile_gemv.
