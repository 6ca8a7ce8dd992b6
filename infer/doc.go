// Package infer holds the networks: ONNX Runtime sessions and their providers, and the segmenter that takes
// an image through tiles, network, dynamics and the choice among image scales.
//
//	image ─▶ percentiles ─▶ for each scale: resample ─▶ tiles ─▶ Network ─▶ blend ─▶ dynamics ─▶ candidates ─┐
//	                                                                       labels, confidence ◀── fuse ◀────┘
package infer
