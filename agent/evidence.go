package agent

// evidence makes the bundles of alerts.
type evidence struct{ Dir string }

func (e *evidence) uri(id string) string { return "file://" + e.Dir + "/" + id }
