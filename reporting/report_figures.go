package reporting

import "fmt"

// keyFigures are the numbers at the top of the page.
func keyFigures(b *Batch, p *pool, unit lengthUnit) []keyFigure {
	stat, c := p.stat(0), b.counts()
	perArea, per := density(p.densityPerUm2)
	figures := []keyFigure{
		{Name: "Objects", Value: count(p.objects), Note: edgeNote(p)},
		{Name: "D10", Value: unit.show(stat.P10), Unit: unit.name, Note: "10 % are smaller"},
		{Name: "D50", Value: unit.show(stat.P50), Unit: unit.name, Note: "median diameter"},
		{Name: "D90", Value: unit.show(stat.P90), Unit: unit.name, Note: "90 % are smaller"},
		{Name: "Area fraction", Value: percent(p.areaFraction), Note: "of the analysed area"},
		{Name: "Density", Value: perArea, Unit: per, Note: densityNote(p)},
		{Name: "Inputs", Value: count(c.Total), Note: inputsNote(c)},
	}
	return figures
}

func edgeNote(p *pool) string {
	return count(p.objects-p.edge) + " measured, " + count(p.edge) + " cut by the border"
}

func densityNote(p *pool) string {
	switch {
	case p.densityPerUm2 == nil:
		return "needs a scale"
	case p.unscaled > 0:
		return "inputs with a scale"
	default:
		return "border-corrected"
	}
}

func inputsNote(c counts) string {
	text := ""
	for _, part := range []struct {
		n    int
		name string
	}{{c.OK, "done"}, {c.Failed, "failed"}, {c.Gated, "skipped"}, {c.Dropped, "superseded"}} {
		if part.n == 0 && part.name != "done" && part.name != "failed" {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += count(part.n) + " " + part.name
	}
	return text
}

// unitNote says which objects the sizes on the page cover.
func unitNote(p *pool) string {
	switch {
	case p.scaled == 0 && p.unscaled == 0:
		return "No object was measured."
	case p.scaled == 0:
		return "No input has a scale: all sizes are in pixels."
	case p.unscaled > 0:
		return fmt.Sprintf("Sizes cover the objects of %s with a scale; %s without one %s listed in pixels in table 2 only.",
			plural(p.scaled, "input"), count(p.unscaled), isAre(p.unscaled))
	default:
		return ""
	}
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func histogramNote(p *pool, n int) string {
	c := classify(p.diameters(), 1)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("Number-weighted distribution of the equivalent circular diameter (n = %s; classes: %s). "+
		"Columns: left axis; curve: cumulative Q₀, right axis; dashed: D10, D50, D90.", count(n), c.rule)
}

// statisticRows is the table of pooled statistics.
func statisticRows(p *pool) []statisticRow {
	var rows []statisticRow
	for q, def := range p.quantities {
		st := p.stat(q)
		if st.N == 0 {
			continue
		}
		stored := p.unit()
		unit := chooseUnit(stored, st.P50).power(def.power)
		if def.power == 2 { // areas: the unit in which their square root is handy
			root := chooseUnit(stored, p.stat(0).P50)
			unit = root.power(2)
		}
		rows = append(rows, statisticRow{
			Title: def.title, Short: def.short, Unit: unit.name, N: count(st.N),
			Min: unit.show(st.Min), Max: unit.show(st.Max), Mean: unit.show(st.Mean), SD: unit.show(st.SD),
			P10: unit.show(st.P10), P50: unit.show(st.P50), P90: unit.show(st.P90),
		})
	}
	return rows
}

func statNote(p *pool) string {
	switch {
	case p.limited:
		return fmt.Sprintf("The run has more than %s objects: only the diameter is pooled; particles.csv in the inputs' folders has every column.",
			count(maxPooledRows))
	case p.unreadTables > 0:
		return fmt.Sprintf("particles.csv of %s could not be read: the rows below the first leave them out.", plural(p.unreadTables, "input"))
	default:
		return ""
	}
}
