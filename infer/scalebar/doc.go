// Package scalebar finds the scale bar burned into an electron micrograph, measures its length to a fraction of
// a pixel and reads its label. It works from pixels alone and never guesses: what is not certain is left out,
// with the reason.
//
//	r, err := scalebar.Read(scalebar.Image{Width: w, Height: h, Gray8: pix})
//	// r.Bar == nil: no bar. r.Bar.Label == nil: a bar without readable text. r.Reason says why.
//	// Otherwise r.Bar.NmPerPx() is the scale.
//
// # How
//
//   - edges.go, bars.go: a bar is a pair of horizontal boundaries of opposite sign and equal extent with a flat,
//     contrasting inside. No grey level is assumed: white, black and grey bars, thin lines, thick boxes and the lines
//     of outlined bars come out alike. Large frames are searched at reduced size.
//   - ruler.go: the eleven equidistant marks of Hitachi's rulers, length from the first to the last centre.
//   - text.go, lines.go, tophat.go: around each candidate, several thresholds split text from ground, glyphs are
//     chained into lines. The digits' height and the baseline follow from the line.
//   - crop.go, net.go, label.go: a line is resampled to 24 rows and read by a convolutional network with CTC
//     (70 000 weights, plain Go, trained on synthetic lines only: infer/training/scalebar). Decoding is bound to the
//     grammar NUMBER UNIT with the round numbers that scale bars state; probabilities are those among all strings, so
//     that what is not a label has none.
//   - search.go, confirm.go: lines and bars are matched by nearness; the label is read again in shifted crops, and with
//     more of what stands before it ("6.8 mm" is not "8 mm").
//   - trust.go: the confidence is how often readings of that probability were right.
//   - split.go, caps.go, ends.go: lines that the label interrupts, end marks, frames; the ends are where the profile
//     along the bar, at full resolution, crosses half way between the bar and what is outside.
//   - panel.go, rows.go: Rows tells the picture from a vendor's panel by how sharply and how widely its background
//     begins; ReadRows reads within one of the two, so that the panel's frame is no bar.
//   - cover.go, words.go: Cover is what bar, label, their plate and the other words of the line take away from the picture.
//
// # Conventions
//
// The first pixel spans 0..1. X0 is the left edge of the bar's first pixel, X1 the right edge of its last. Between end
// marks (Zeiss, TESCAN, Hitachi) the ends are the marks' centres; a line that its label interrupts (FEI) and a frame
// run from outer edge to outer edge: so the vendors' pixel sizes agree with their metadata.
//
// # Limits
//
// Bars are horizontal, at least 18 px long (12 in a panel) and at most 80 px thick, digits 5 to 110 px high, after
// reduction of the image to 2600 px. Digits below about 7 px are often left unread. A bar as grey as its ground, visible
// by its texture only, is not found, nor is one that the image cuts. Panels lie along the upper or the lower border.
package scalebar
