// use: gemm_operands, tile_register
// Many matrix products of one size on the register tile. Operands: lib/gemm_operands, loops:
// lib/tile_register.
