/* The kernels that run at several vector widths, here at LANES. Included once for each, so without a guard. */
#include "finishing.inc"
#include "convolution.inc"
#include "depthwise.inc"
#include "pooling.inc"
#include "packing.inc"
