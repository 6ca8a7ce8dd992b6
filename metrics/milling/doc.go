// Package milling watches a region being milled by a focused ion beam and says what an operator should do next.
//
//	frame ──▶ Observer ──▶ Observation ──▶ Tracker ──▶ Decision{advice, reasons, end-point, drift, geometry}
//	           (pixels)     (values only,    (history
//	                         recorded)        of values)
//
// The Observer registers a frame with the run's first one, finds the milled region and its front, and returns
// values; the Tracker turns their history into advice. A Tracker is a function of its observations alone, so that a
// recorded run can be replayed with equal results, and a restarted program goes on where it was.
package milling
