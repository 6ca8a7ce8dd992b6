// Package tiling is geometry only: it cuts a frame into overlapping tiles of one fixed shape and blends
// what the network predicts for them back into one field without seams. It imports nothing of ours.
//
// Every tile starts at a multiple of the network's stride, so that a pixel falls into the same pooling cell
// whichever tile it is computed in; a margin at each inner tile edge, where zero padding has damaged the
// prediction, gets no weight; between the margins two neighbours cross-fade. With a margin as wide as the
// network looks, the field does not depend on where the tiles lie.
//
//	tile k    ───────────────────────╲╌╌╌╌╌
//	tile k+1                 ╌╌╌╌╌╱────────────────
//	                         │margin│fade│margin│
package tiling
