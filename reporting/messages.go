package reporting

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/uni-aims/aimsd/metrics"
)

// Versions of the messages. Fields may be added within a version; a change of meaning raises it.
const (
	StatusSchema = "aims.status/1"
	MetaSchema   = "aims.meta/1"
	FrameSchema  = "aims.frame/1"
	RunSchema    = "aims.run/1"
	EventSchema  = "aims.event/1"
	AlertSchema  = "aims.alert/1"

	CommandSchema  = "aims.command/1"
	FeedbackSchema = "aims.feedback/1"
)

// Schemas maps each published document to its version, as the meta message lists them.
func Schemas() map[string]string {
	return map[string]string{
		"status": StatusSchema, "meta": MetaSchema, "frame": FrameSchema, "run": RunSchema,
		"event": EventSchema, "alert": AlertSchema, "command": CommandSchema, "result": ResultSchema,
		"feedback": FeedbackSchema,
	}
}

// Envelope begins every message. A Builder fills what is empty.
type Envelope struct {
	Schema     string    `json:"schema"`
	ID         string    `json:"id"`   // ULID, the same when the message is delivered again
	Time       time.Time `json:"time"` // when it was made, UTC
	Site       string    `json:"site"`
	Instrument string    `json:"instrument"`
	Historical bool      `json:"historical,omitempty"` // published late; the publisher sets it
}

// States of the daemon in a StatusMessage. The broker itself publishes StatusOffline, as the last will.
const (
	StatusOnline  = "online"
	StatusStopped = "stopped"
	StatusOffline = "offline"
)

// StatusMessage says whether the daemon is there. Session is one start of the daemon; Connection counts its
// connections, so that a late last will of an earlier one can be told from the present state.
type StatusMessage struct {
	Envelope
	State      string `json:"state"`
	Session    string `json:"session"` // ULID
	Connection uint64 `json:"connection"`
}

// MetaMessage describes the daemon.
type MetaMessage struct {
	Envelope
	Version string            `json:"version"`
	Session string            `json:"session"`
	Sources []string          `json:"sources"`
	Model   *Model            `json:"model"`
	Schemas map[string]string `json:"schemas"` // document -> version
}

// FrameMessage tells of a frame's end. What an unprocessed frame has not is null.
type FrameMessage struct {
	Envelope
	RunID       string                  `json:"run_id"`
	FrameID     string                  `json:"frame_id"`
	Source      string                  `json:"source"`
	Path        string                  `json:"path"`
	Name        string                  `json:"name"`
	SHA256      string                  `json:"sha256"` // "" when the bytes could not be read
	Seq         uint64                  `json:"seq"`
	Outcome     string                  `json:"outcome"` // processed, gated, rejected, dropped
	Reason      string                  `json:"reason"`  // "" when processed
	Folder      string                  `json:"folder"`  // in the run's folder, "" unless processed
	Objects     *int                    `json:"objects"`
	NmPerPx     *float64                `json:"nm_per_px"`
	ScaleSource string                  `json:"scale_source"`
	Statistics  map[string]metrics.Stat `json:"statistics"` // by column of particles.csv
	Confidence  *float64                `json:"confidence"`
	Quality     []string                `json:"image_quality"`
	TimingsMs   *Timings                `json:"timings_ms"`
}

// RunMessage tells that a run opened or closed.
type RunMessage struct {
	Envelope
	RunID    string     `json:"run_id"`
	State    string     `json:"state"` // opened, closed
	Source   string     `json:"source"`
	OpenedAt time.Time  `json:"opened_at"`
	ClosedAt *time.Time `json:"closed_at"`
	Reason   *string    `json:"reason"` // end, idle_timeout, stop
	Frames   Counts     `json:"frames"`
	Objects  int64      `json:"objects"`
	Folder   string     `json:"folder"`
}

// EventMessage tells of something that happened once.
type EventMessage struct {
	Envelope
	Code     string         `json:"code"`
	Severity string         `json:"severity"` // info, warning, critical
	Text     string         `json:"text"`
	State    *string        `json:"state"`     // of the alert it tells of
	AlertKey *string        `json:"alert_key"` // code/key of that alert
	AlertID  *string        `json:"alert_id"`
	FrameID  *string        `json:"frame_id"`
	RunID    *string        `json:"run_id"`
	Data     map[string]any `json:"data"`
}

// Builder makes messages of one instrument.
type Builder struct {
	Topics
	Now func() time.Time // nil: time.Now
}

func (b Builder) now() time.Time {
	if b.Now == nil {
		return time.Now().UTC()
	}
	return b.Now().UTC()
}

func (b Builder) fill(e *Envelope, schema string) {
	e.Schema, e.Site, e.Instrument = schema, b.Site(), b.Instrument()
	if e.Time.IsZero() {
		e.Time = b.now()
	}
	e.Time = e.Time.UTC()
	if e.ID == "" {
		e.ID = newID(e.Time)
	}
}

// message encodes a document for a topic, with QoS 1.
func (b Builder) message(topic, frameID string, e Envelope, doc any) (Message, error) {
	payload, err := json.Marshal(doc)
	if err != nil {
		return Message{}, fmt.Errorf("encode %s message: %w", e.Schema, err)
	}
	return Message{FrameID: frameID, Key: topic, Topic: topic, Payload: payload, QoS: 1, Time: e.Time}, nil
}

// Status is the retained state of the daemon.
func (b Builder) Status(m StatusMessage) (Message, error) {
	b.fill(&m.Envelope, StatusSchema)
	msg, err := b.message(b.Topics.Status(), "", m.Envelope, m)
	msg.Retained = true
	return msg, err
}

// Meta is the retained description of the daemon.
func (b Builder) Meta(m MetaMessage) (Message, error) {
	b.fill(&m.Envelope, MetaSchema)
	if m.Sources == nil {
		m.Sources = []string{}
	}
	if m.Schemas == nil {
		m.Schemas = Schemas()
	}
	msg, err := b.message(b.Topics.Meta(), "", m.Envelope, m)
	msg.Retained = true
	return msg, err
}

// Frame tells of a frame's end.
func (b Builder) Frame(m FrameMessage) (Message, error) {
	b.fill(&m.Envelope, FrameSchema)
	m.NmPerPx, m.Confidence = finite(m.NmPerPx), finite(m.Confidence)
	m.Statistics = finiteStats(m.Statistics)
	if m.Quality == nil {
		m.Quality = []string{}
	}
	if m.ScaleSource == "" {
		m.ScaleSource = "none"
	}
	if m.TimingsMs != nil {
		t := m.TimingsMs.finite()
		m.TimingsMs = &t
	}
	return b.message(b.Topics.Frame(), m.FrameID, m.Envelope, m)
}

// FrameMessageOf gathers the message of a frame from its journal row and its result (nil unless processed).
// rec's State, Reason, SHA256 and Folder are those that are about to be committed.
func FrameMessageOf(rec FrameRecord, res *Result) FrameMessage {
	m := FrameMessage{
		RunID: rec.RunID, FrameID: rec.ID, Source: rec.Source, Path: rec.Path, Name: rec.Name, SHA256: rec.SHA256,
		Seq: rec.Seq, Outcome: rec.State, Reason: rec.Reason, Folder: rec.Folder,
	}
	if res != nil {
		m.Objects, m.NmPerPx, m.ScaleSource = &res.Objects, res.Scale.NmPerPx, res.Scale.Source
		m.Statistics, m.Confidence, m.Quality = maps.Clone(res.Statistics), res.Confidence, res.ImageQuality
		m.TimingsMs = &res.TimingsMs
	}
	return m
}

// Run tells that a run opened or closed.
func (b Builder) Run(m RunMessage) (Message, error) {
	b.fill(&m.Envelope, RunSchema)
	m.OpenedAt = m.OpenedAt.UTC()
	if m.ClosedAt != nil {
		t := m.ClosedAt.UTC()
		m.ClosedAt = &t
	}
	return b.message(b.Topics.Run(), "", m.Envelope, m)
}

// RunMessageOf gathers the message of a run from its record and totals: closed when the record is.
func RunMessageOf(r RunRecord, totals RunTotals, folder string) RunMessage {
	m := RunMessage{
		RunID: r.ID, State: "opened", Source: r.Source, OpenedAt: r.OpenedAt,
		Frames: totals.Frames, Objects: totals.Objects, Folder: folder,
	}
	if !r.ClosedAt.IsZero() {
		m.State, m.ClosedAt, m.Reason = "closed", &r.ClosedAt, &r.Reason
	}
	return m
}

// Event tells of something that happened once. Values in Data that are not finite become null.
func (b Builder) Event(m EventMessage) (Message, error) {
	b.fill(&m.Envelope, EventSchema)
	m.Data = finiteMap(m.Data)
	if m.Data == nil {
		m.Data = map[string]any{}
	}
	frame := ""
	if m.FrameID != nil {
		frame = *m.FrameID
	}
	return b.message(b.Topics.Event(), frame, m.Envelope, m)
}
