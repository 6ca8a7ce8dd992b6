package reporting

import (
	"fmt"
	"strings"
	"time"
)

// summaryJournal is what summary.json tells of a daemon's run besides its results: all frames by outcome, the
// alerts with who acknowledged them, and the run's start and stop as bluesky's documents have them
// (github.com/bluesky/event-model, run_start and run_stop).
type summaryJournal struct {
	ExitStatus string         `json:"exit_status"`
	Frames     Counts         `json:"frames"`
	Alerts     []summaryAlert `json:"alerts"`
	Start      summaryStart   `json:"start"`
	Stop       *summaryStop   `json:"stop"` // nil while the run is open
}

// summaryAlert is one occurrence of an alert.
type summaryAlert struct {
	AlertID  string               `json:"alert_id"`
	AlertKey string               `json:"alert_key"`
	Code     string               `json:"code"`
	Severity string               `json:"severity"`
	RaisedAt time.Time            `json:"raised_at"`
	Changes  []summaryAlertChange `json:"changes"`
}

// summaryAlertChange is one message of it.
type summaryAlertChange struct {
	Seq     uint64     `json:"seq"`
	State   string     `json:"state"`
	Time    time.Time  `json:"time"`
	Text    string     `json:"text"`
	Value   *float64   `json:"value"`
	Limit   *float64   `json:"limit"`
	Unit    string     `json:"unit"`
	FrameID string     `json:"frame_id"`
	AckedBy *string    `json:"acked_by"`
	AckedAt *time.Time `json:"acked_at"`
}

type summaryStart struct {
	UID  string  `json:"uid"`
	Time float64 `json:"time"` // Unix seconds
}

type summaryStop struct {
	RunStart   string           `json:"run_start"`
	Time       float64          `json:"time"` // Unix seconds
	ExitStatus string           `json:"exit_status"`
	Reason     string           `json:"reason"`
	NumEvents  map[string]int64 `json:"num_events"`
}

func journalOf(b *Batch) *summaryJournal {
	j := &summaryJournal{
		ExitStatus: b.ExitStatus, Frames: b.Frames.Frames, Alerts: []summaryAlert{},
		Start: summaryStart{b.Run.ID, unixSeconds(b.Run.OpenedAt)},
	}
	if !b.Run.ClosedAt.IsZero() {
		j.Stop = &summaryStop{
			RunStart: b.Run.ID, Time: unixSeconds(b.Run.ClosedAt), ExitStatus: b.ExitStatus, Reason: b.Run.Reason,
			NumEvents: map[string]int64{"primary": b.Frames.Frames.Processed},
		}
	}
	at := map[string]int{} // by occurrence
	for _, m := range b.alertsUntilItsEnd() {
		k, ok := at[m.AlertID]
		if !ok {
			k = len(j.Alerts)
			at[m.AlertID] = k
			j.Alerts = append(j.Alerts, summaryAlert{
				AlertID: m.AlertID, AlertKey: m.AlertKey, Code: m.Code, Severity: m.Severity, RaisedAt: m.RaisedAt,
			})
		}
		j.Alerts[k].Changes = append(j.Alerts[k].Changes, summaryAlertChange{
			Seq: m.Seq, State: m.State, Time: m.Time, Text: m.Text, Value: m.Value, Limit: m.Limit, Unit: m.Unit,
			FrameID: m.FrameID, AckedBy: m.AckedBy, AckedAt: m.AckedAt,
		})
	}
	return j
}

// alertsUntilItsEnd leaves out what came after the run: it would change a report that is made again.
func (b *Batch) alertsUntilItsEnd() (alerts []AlertMessage) {
	for _, m := range b.Alerts {
		if b.Run.ClosedAt.IsZero() || !m.Time.After(b.Run.ClosedAt) {
			alerts = append(alerts, m)
		}
	}
	return alerts
}

func alertRows(b *Batch) (rows []alertRow) {
	for _, m := range b.alertsUntilItsEnd() {
		row := alertRow{Time: clock(m.Time), Alert: m.AlertKey, Severity: m.Severity, State: m.State, Text: m.Text}
		if m.AckedBy != nil {
			row.Acked = *m.AckedBy
			if m.AckedAt != nil {
				row.Acked = strings.TrimSpace(row.Acked + " " + clock(*m.AckedAt))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// accountText says in a line how a run's frames ended.
func accountText(c Counts) string {
	text := fmt.Sprintf("%d received: %d processed", c.Received, c.Processed)
	for _, n := range []struct {
		frames int64
		what   string
	}{{c.Gated, "gated"}, {c.Rejected, "rejected"}, {c.Dropped, "dropped"}, {c.InFlight, "not yet done"}} {
		if n.frames > 0 {
			text += fmt.Sprintf(", %d %s", n.frames, n.what)
		}
	}
	return text
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
