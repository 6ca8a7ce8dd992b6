package rules

import (
	"math"
	"slices"

	"github.com/expr-lang/expr/vm"
)

// scope is what expressions see of the frame that is evaluated. Whatever is undefined is read as 0 and noted: then
// there is no verdict.
type scope struct {
	table   *table
	values  []float64 // by name; NaN where undefined
	flags   uint64
	history *history // of the frame's source, the frame included; nil where no rule looks back
	done    []answer // by call
	missing string   // why there is no verdict

	x, y, scratch []float64
	env           map[string]any
	machine       vm.VM
}

// answer is what a call gave for this frame.
type answer struct {
	known   bool
	v       float64
	missing string
}

// Functions of the compiled expressions; who writes rules does not see these names.
const (
	fnRead   = "read"
	fnKnown  = "known"
	fnFlag   = "flag"
	fnPast   = "past"
	fnFinite = "finite"
	fnMin    = "min"
	fnMax    = "max"
)

func newScope(t *table) *scope {
	s := &scope{table: t, values: make([]float64, len(t.names)), done: make([]answer, len(t.calls))}
	s.env = s.environment()
	return s
}

// environment has functions of types that expr calls without reflection.
func (s *scope) environment() map[string]any {
	return map[string]any{
		fnRead: s.read, fnKnown: s.known, fnFlag: s.flag, fnPast: s.past, fnFinite: s.finite,
		fnMin: func(a, b any) any { return min(a.(float64), b.(float64)) },
		fnMax: func(a, b any) any { return max(a.(float64), b.(float64)) },
		"abs": math.Abs, "ceil": math.Ceil, "floor": math.Floor, "round": math.Round, "sqrt": math.Sqrt, "log": math.Log,
	}
}

// look takes the numbers and flags of a frame.
func (s *scope) look(in *Input) {
	for i := range s.values {
		s.values[i] = math.NaN()
		if v, ok := s.table.names[i].read(in); ok {
			s.values[i] = v
		}
	}
	s.flags = 0
	for i, f := range s.table.flags {
		if slices.Contains(in.ImageQuality, f) {
			s.flags |= 1 << i
		}
	}
	clear(s.done)
}

func (s *scope) miss(why string) {
	if s.missing == "" {
		s.missing = why
	}
}

func (s *scope) read(i int) float64 {
	v := s.values[i]
	if math.IsNaN(v) {
		s.miss(s.table.names[i].name + " is undefined")
		return 0
	}
	return v
}

func (s *scope) known(i int) bool { return !math.IsNaN(s.values[i]) }

func (s *scope) flag(i int) bool { return s.flags&(1<<i) != 0 }

func (s *scope) finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		s.miss("the result is not finite")
		return 0
	}
	return v
}

// past answers a call, once in a frame.
func (s *scope) past(i int) float64 {
	a := &s.done[i]
	if !a.known {
		c := &s.table.calls[i]
		v, missing := s.answer(c)
		if missing == "" && (math.IsNaN(v) || math.IsInf(v, 0)) {
			v, missing = 0, c.text+" is not finite"
		}
		*a = answer{true, v, missing}
	}
	if a.missing != "" {
		s.miss(a.missing)
	}
	return a.v
}

// answer computes a call; missing says why it has no value.
func (s *scope) answer(c *call) (v float64, missing string) {
	h, few := s.history, c.text+" has too few values"
	switch c.op {
	case opFramesInRun:
		return float64(h.present().frames), ""
	case opCount:
		n := 0.0
		for back := range min(c.n, h.len()) {
			if h.at(back).flags&c.flag != 0 {
				n++
			}
		}
		return n, ""
	case opPrevious:
		if h.len() <= c.n || math.IsNaN(h.number(c.n, c.slot)) {
			return 0, few
		}
		return h.number(c.n, c.slot), ""
	case opBaseline:
		if v, ok := s.baseline(c); ok {
			return v, ""
		}
		return 0, few
	}
	now := s.values[c.name]
	if math.IsNaN(now) {
		return 0, s.table.names[c.name].name + " is undefined"
	}
	if c.op == opDriftOf {
		if v, ok := s.baseline(c); ok {
			return now/v - 1, ""
		}
		return 0, few
	}
	if s.window(c); len(s.y) < c.need {
		return 0, few
	}
	switch c.op {
	case opMean:
		v = mean(s.y)
	case opMedian:
		v = median(s.y)
	case opSD:
		v = deviation(s.y)
	case opMinOf:
		v = slices.Min(s.y)
	case opMaxOf:
		v = slices.Max(s.y)
	case opSlope, opSlopePerS:
		v, s.scratch = slope(s.x, s.y, s.scratch)
	case opOutlier:
		v = outlier(now, s.y)
	}
	return v, ""
}

// window takes the defined values that a call looks at into y, oldest first, and where they are into x: in frames,
// or in seconds for opSlopePerS.
func (s *scope) window(c *call) {
	s.x, s.y = s.x[:0], s.y[:0]
	h, newest, oldest := s.history, 0, c.n-1
	if c.op == opOutlier {
		newest, oldest = 1, c.n
	}
	for back := min(oldest, h.len()-1); back >= newest; back-- {
		v := h.number(back, c.slot)
		if math.IsNaN(v) {
			continue
		}
		x := -float64(back)
		if c.op == opSlopePerS {
			x = h.at(back).taken.Sub(h.at(0).taken).Seconds()
		}
		s.x, s.y = append(s.x, x), append(s.y, v)
	}
}

// baseline is the median of a number's first values in this run.
func (s *scope) baseline(c *call) (float64, bool) {
	first := s.history.present().first[c.baseline]
	if len(first) < c.n {
		return 0, false
	}
	s.y = append(s.y[:0], first[:c.n]...)
	return median(s.y), true
}

// remember pushes the frame into its source's history.
func (s *scope) remember(in *Input) {
	h, t := s.history, s.table
	run := h.enter(in.RunID)
	for i, b := range t.baselines {
		run.begins(i, b.n, s.values[b.name])
	}
	h.push(in.past(s.flags), s.slots())
}

// slots are the frame's numbers that a history keeps.
func (s *scope) slots() []float64 {
	s.y = s.y[:0]
	for _, name := range s.table.slots {
		s.y = append(s.y, s.values[name])
	}
	return s.y
}

// past is what is kept of a frame beside its numbers.
func (in *Input) past(flags uint64) past {
	p := past{id: in.FrameID, at: in.Time, taken: in.Taken, flags: flags}
	if p.taken.IsZero() {
		p.taken = in.Time
	}
	return p
}

// run evaluates an expression. Missing says why there is no verdict.
func (s *scope) run(e *expression) (v float64, is bool, missing string) {
	s.missing = ""
	out, err := s.machine.Run(e.program, s.env)
	switch x := out.(type) {
	case float64:
		v = s.finite(x)
	case bool:
		is = x
	}
	if err != nil {
		s.miss("the expression failed: " + firstLine(err))
	}
	return v, is, s.missing
}
