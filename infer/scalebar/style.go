package scalebar

// Style is how a bar is drawn.
type Style string

// The styles told apart.
const (
	StyleSolid Style = "solid"   // a filled rectangle
	StyleCaps  Style = "I-beam"  // a line between upright end marks, on one side or both
	StyleSplit Style = "split"   // a line that its label interrupts
	StyleFrame Style = "outline" // a rectangle drawn by its border
	StyleTicks Style = "ticks"   // a row of equidistant marks
)
