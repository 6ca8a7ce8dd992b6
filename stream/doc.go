// Package stream is what comes in: frames, the sources that deliver them (a folder watcher and a gRPC
// listener) and the decoders that turn files into pixels and metadata.
//
//	folder ──┐                      ┌─ Open  (pixels, on the pipeline's goroutine)
//	         ├─▶ Arrival ─▶ agent ──┤
//	gRPC   ──┘                      └─ Settle (the outcome is committed; acknowledge it)
package stream
