// use: gemm_operands, tile_workgroup
// Many matrix products of one size on the workgroup tile. Operands: lib/gemm_operands, loops:
// lib/tile_workgroup.
