// Package simulate is a microscope without hardware: it renders secondary-electron micrographs whose every
// particle is known, and writes them into a folder the way an instrument does.
//
//	Scene ──▶ Frame (pixels, labels, Truth, vendor header) ──▶ Microscope ──▶ DIR/truth/NAME.labels.tif
//	                                                                          DIR/truth/NAME.json
//	                                                                          DIR/frames/NAME.tif
//
// A frame depends on its scene's fields, seed and index alone, not on the number of CPU cores, so that a
// demonstration, a test or a benchmark sees the same frames everywhere.
package simulate
