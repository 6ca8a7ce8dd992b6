package scalebar

// Style is how a bar is drawn.
type Style string

// The styles told apart.
const (
	StyleSolid Style = "solid"  // a filled or outlined rectangle, with or without end marks
	StyleCaps  Style = "I-beam" // a line between upright end marks
	StyleSplit Style = "split"  // a line that its label interrupts
	StyleTicks Style = "ticks"  // a row of equidistant marks
)
