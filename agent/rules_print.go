package agent

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/uni-aims/aimsd/metrics/rules"
)

// printRules lists the rules that hold, one a line.
func printRules(w io.Writer, configured []rules.Rule) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CODE\tSEVERITY\tHOLD\tSOURCE\tFROM\tRAISES WHEN")
	var off []string
	for i, r := range allRules(configured) {
		if r.Off {
			off = append(off, r.Code)
			continue
		}
		from := "configuration"
		if i >= len(configured) {
			from = "built-in"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", r.Code, severityOf(r), max(r.Hold, 1), cmp.Or(r.Source, "all"), from, condition(&r))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(off) > 0 {
		fmt.Fprintf(w, "off: %s\n", strings.Join(off, ", "))
	}
	return nil
}

// condition is when a rule raises, in a few words.
func condition(r *rules.Rule) string {
	watches := r.Watches()
	switch {
	case r.Min != nil && r.Max != nil:
		return fmt.Sprintf("%s below %g or above %g", watches, *r.Min, *r.Max)
	case r.Min != nil:
		return fmt.Sprintf("%s below %g", watches, *r.Min)
	case r.Max != nil:
		return fmt.Sprintf("%s above %g", watches, *r.Max)
	case r.Clear != "":
		return fmt.Sprintf("%s, until %s", watches, strings.Join(strings.Fields(r.Clear), " "))
	}
	return watches
}

// print writes for each rule what it would have done.
func (t *rulesTrial) print(w io.Writer) error {
	fmt.Fprintf(w, "run %s: %s with results, %s\n", t.RunID, plural(t.Frames, "frame"), plural(len(t.Rules), "rule"))
	for _, r := range t.Rules {
		from := ""
		if r.Builtin {
			from = ", built-in"
		}
		fmt.Fprintf(w, "\n%s (%s, hold %d%s): %s\n", r.Code, r.Severity, r.Hold, from, condition(&r.rule))
		if err := r.print(w); err != nil {
			return err
		}
	}
	return nil
}

func (r *ruleTrial) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range r.Changes {
		value := ""
		if e.Value != nil {
			value = fmt.Sprintf("%s, limit %s", amount(*e.Value, e.Unit), amount(*e.Limit, e.Unit))
		}
		fmt.Fprintf(table, "  %s\tframe %d\t%s\t%s\t%s\n", e.State, e.Frame, e.Name, value, e.Text)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	raised := slices.ContainsFunc(r.Changes, func(e trialEvent) bool { return e.State == rules.Raised })
	if !raised {
		fmt.Fprintf(w, "  never raised%s\n", r.how())
	}
	without := 0
	for _, n := range r.Without {
		without += n.Frames
	}
	fmt.Fprintf(w, "  %s with a verdict, %d without", plural(r.Frames, "frame"), without)
	for i, n := range r.Without {
		fmt.Fprintf(w, "%s %s (%d)", map[bool]string{true: ":", false: ","}[i == 0], n.Why, n.Frames)
	}
	fmt.Fprintln(w)
	return nil
}

// how says how near a rule came that never raised.
func (r *ruleTrial) how() string {
	var said []string
	if n := r.Nearest; n != nil {
		said = append(said, fmt.Sprintf("nearest %s in frame %d (%s), limit %s", amount(n.Value, n.Unit), n.Frame, n.Name, amount(n.Limit, n.Unit)))
	}
	switch {
	case r.Speaking > 0 && r.Nearest == nil:
		said = append(said, fmt.Sprintf("true in %s, %d in a row of %d", plural(r.Speaking, "frame"), r.InARow, r.Hold))
	case r.Speaking > 0:
		said = append(said, fmt.Sprintf("beyond its limit in %s, %d in a row of %d", plural(r.Speaking, "frame"), r.InARow, r.Hold))
	case r.Nearest == nil && r.Frames > 0:
		said = append(said, "true in no frame")
	}
	if len(said) == 0 {
		return ""
	}
	return "; " + strings.Join(said, "; ")
}

// amount is a number with its unit.
func amount(v float64, unit string) string {
	return strings.TrimSpace(strconv.FormatFloat(v, 'g', 6, 64) + " " + unit)
}
