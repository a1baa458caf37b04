// use: gemm_operands, tile_subgroup
// Many matrix products of one size on the subgroup tile. Operands: lib/gemm_operands, loops:
// lib/tile_subgroup.
