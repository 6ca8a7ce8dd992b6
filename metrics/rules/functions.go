package rules

import "fmt"

// maxWindow is how many frames a function can look back.
const maxWindow = 1000

// op is what a function makes of a source's past.
type op int

const (
	opMean op = iota
	opMedian
	opSD
	opMinOf
	opMaxOf
	opSlope
	opSlopePerS
	opPrevious
	opBaseline
	opDriftOf
	opOutlier
	opCount
	opFramesInRun
)

// What a function's arguments are.
const (
	ofNumber = "the name of a number in quotes and a number of frames, such as %s(\"ecd_nm.p50\", 10)"
	ofFlag   = "a flag of image_quality in quotes and a number of frames, such as %s(\"blurred\", 10)"
	ofNone   = "nothing, %s()"
)

// function is one that looks at the past.
type function struct {
	name  string
	op    op
	of    string
	least int // the smallest number of frames that makes sense, and of values that it takes
}

func functions() []function {
	return []function{
		{"mean", opMean, ofNumber, 1},
		{"median", opMedian, ofNumber, 1},
		{"sd", opSD, ofNumber, 2},
		{"min_of", opMinOf, ofNumber, 1},
		{"max_of", opMaxOf, ofNumber, 1},
		{"slope", opSlope, ofNumber, 3},
		{"slope_per_s", opSlopePerS, ofNumber, 3},
		{"previous", opPrevious, ofNumber, 1},
		{"baseline", opBaseline, ofNumber, 1},
		{"drift_of", opDriftOf, ofNumber, 1},
		{"outlier", opOutlier, ofNumber, 3},
		{"count", opCount, ofFlag, 1},
		{"frames_in_run", opFramesInRun, ofNone, 0},
	}
}

// call is a function with its arguments.
type call struct {
	op       op
	name     int // of the table: the number
	slot     int // of the number in a history
	baseline int
	flag     uint64 // mask
	n        int    // frames
	need     int    // defined values it takes
	text     string
}

// table is what the expressions of a set read, each thing once.
type table struct {
	names     []name
	flags     []string
	calls     []call
	slots     []int // of names: what histories keep
	baselines []beginning
	kept      int // frames that histories keep; 0: none is needed
}

type name struct {
	name, unit string
	read       reader
}

// beginning is what is kept of a run's beginning: the first n defined values of a name.
type beginning struct{ name, n int }

// number returns the place of a number's name; kind is what an error calls it.
func (t *table) number(kind, text string) (int, error) {
	for i, n := range t.names {
		if n.name == text {
			return i, nil
		}
	}
	read, unit, err := lookup(kind, text)
	if err != nil {
		return 0, err
	}
	t.names = append(t.names, name{text, unit, read})
	return len(t.names) - 1, nil
}

// flag returns the mask of a flag of image_quality.
func (t *table) flag(text string) (int, error) {
	for i, f := range t.flags {
		if f == text {
			return i, nil
		}
	}
	for _, f := range flags() {
		if f == text {
			t.flags = append(t.flags, f)
			return len(t.flags) - 1, nil
		}
	}
	return 0, unknown("flag", text, flags(), flags())
}

// call returns the place of a function's call.
func (t *table) call(f function, text string, n int) (int, error) {
	c := call{op: f.op, n: n}
	switch f.op {
	case opFramesInRun:
		c.text = f.name + "()"
		t.kept = max(t.kept, 1)
	case opCount:
		i, err := t.flag(text)
		if err != nil {
			return 0, err
		}
		c.flag, c.need = 1<<i, 1
	default:
		var err error
		if c.name, err = t.number("name", text); err != nil {
			return 0, err
		}
		c.need = max(f.least, (n+1)/2)
		switch f.op {
		case opBaseline, opDriftOf:
			c.baseline, c.need = t.beginning(c.name, n), n
			t.kept = max(t.kept, 1)
		default:
			c.slot = t.slot(c.name)
		}
	}
	if c.text == "" {
		c.text = fmt.Sprintf("%s(%q, %d)", f.name, text, n)
	}
	switch f.op {
	case opPrevious, opOutlier: // beside the present frame
		t.kept = max(t.kept, n+1)
	case opBaseline, opDriftOf, opFramesInRun:
	default:
		t.kept = max(t.kept, n)
	}
	for i, known := range t.calls {
		if known == c {
			return i, nil
		}
	}
	t.calls = append(t.calls, c)
	return len(t.calls) - 1, nil
}

func (t *table) slot(name int) int {
	for i, s := range t.slots {
		if s == name {
			return i
		}
	}
	t.slots = append(t.slots, name)
	return len(t.slots) - 1
}

func (t *table) beginning(name, n int) int {
	for i := range t.baselines {
		if b := &t.baselines[i]; b.name == name {
			b.n = max(b.n, n)
			return i
		}
	}
	t.baselines = append(t.baselines, beginning{name, n})
	return len(t.baselines) - 1
}
