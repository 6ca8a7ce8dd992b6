// Package simulate is a microscope without hardware: it renders micrographs of which everything is known, and writes
// them into a folder the way an instrument does. There are two scenes: particles, as a secondary-electron detector shows
// them, and milling, a trench that an ion beam mills frame by frame.
//
//	Scene ──▶ Frame (pixels, labels, Truth, vendor header) ──▶ Microscope ──▶ DIR/truth/NAME.labels.tif
//	                                                              ▲           DIR/truth/NAME.json
//	                                      POST /pause_milling ──▶ Control     DIR/frames/NAME.tif
//
// A frame depends on its scene's fields, seed and index alone (and, when milling, on how long the beam was on), not on the
// number of CPU cores, so that a demonstration, a test or a benchmark sees the same frames everywhere.
package simulate
