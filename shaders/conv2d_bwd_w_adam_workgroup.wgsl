// use: wgrad_operands, put_adam, tile_workgroup
// Weight gradients of conv2d and conv_transpose2d on the workgroup tile, straight into a step of Adam.
// Operands: lib/wgrad_operands, results: lib/put_adam, loops: lib/tile_workgroup.
