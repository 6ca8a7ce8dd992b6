package reporting

import (
	"context"
	"encoding/json"
	"math"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/uni-aims/aimsd/metrics/milling"
	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// observed is a frame of a milling source, and what a tracker makes of it.
func observed(nmPerPx *float64) (FrameRecord, *milling.Plan, *milling.Observation, *milling.Decision) {
	plan := milling.DefaultPlan()
	plan.ROI, plan.StageName, plan.TaskID = milling.Rectangle{Left: 0.25, Top: 0.2, Width: 0.5, Height: 0.4}, "Rough", "t-1"
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o := &milling.Observation{
		FrameID: newID(at), Seq: 4, FrameTime: at, DecisionTime: at.Add(300 * time.Millisecond), NmPerPx: nmPerPx, Quality: []string{"charging"},
		Drift:   &milling.Shift{XPx: 2.5, YPx: -1.25, Score: 0.75, Success: true, Method: "phase-correlation", MaxDisagreementPx: 0.1},
		FrontPx: new(50.0), FrontSDPx: new(0.3), AreaPx: new(9000.0), LengthPx: 200, Intensity: new(0.4), Confidence: new(0.95),
	}
	d := milling.NewTracker(plan).Decide(*o)
	return FrameRecord{ID: o.FrameID, RunID: "r", Source: "fib", Seq: 4}, &plan, o, &d
}

func TestFeedbackFitsItsSchema(t *testing.T) {
	b := testBuilder(t)
	for name, spoil := range map[string]func(o *milling.Observation, d *milling.Decision){
		"good": func(*milling.Observation, *milling.Decision) {},
		"infinite": func(o *milling.Observation, d *milling.Decision) {
			o.Drift.XPx, *d.Endpoint.Value, o.Confidence = math.Inf(1), math.NaN(), new(math.NaN())
		},
		"nothing": func(o *milling.Observation, d *milling.Decision) {
			o.Drift, d.Geometry, o.Quality, d.Reasons = nil, nil, nil, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec, plan, o, d := observed(new(20.0))
			spoil(o, d)
			m, msg, err := b.Feedback(FeedbackOf(rec, plan, o, d))
			require.NoError(t, err)
			require.Equal(t, "aims/v1/lab-a/fib 01/feedback", msg.Topic)
			require.EqualValues(t, 1, msg.QoS)
			require.False(t, msg.Retained)
			requireValid(t, "feedback", msg.Payload)
			require.Equal(t, m.ID, m.Proto().GetId())
		})
	}
	rec, plan, o, d := observed(new(20.0))
	m, _, err := b.Feedback(FeedbackOf(rec, plan, o, d))
	require.NoError(t, err)
	require.InDelta(t, 2.5*20e-9, m.Drift.ShiftM.X, 1e-18)
	require.InDelta(t, -1.25*20e-9, m.Drift.ShiftM.Y, 1e-18)
	require.InDelta(t, 50*20e-9, *m.Geometry.FrontM, 1e-18)
	require.InDelta(t, 150*20e-9, *m.Geometry.RemainingM, 1e-18)
	require.EqualValues(t, 2000, m.ValidForMs)
	require.Equal(t, o.DecisionTime.Add(2*time.Second), m.ValidUntil)
}

func TestWithoutAPixelSizeThereAreNoMetres(t *testing.T) {
	rec, plan, o, d := observed(nil)
	m, msg, err := testBuilder(t).Feedback(FeedbackOf(rec, plan, o, d))
	require.NoError(t, err)
	require.Equal(t, milling.Abstain, m.Advice)
	fields := requireValid(t, "feedback", msg.Payload)
	require.NotContains(t, fields["drift"], "shift_m")
	for _, name := range []string{"milled_area_m2", "front_m", "remaining_m", "rate_m_per_s"} {
		require.NotContains(t, fields["geometry"], name)
	}
	p := m.Proto()
	require.Nil(t, p.GetDrift().GetShiftM())
	require.Nil(t, p.GetGeometry().FrontM)
	require.Nil(t, p.NmPerPx)
}

func TestAResultWithMillingFitsItsSchema(t *testing.T) {
	_, plan, o, d := observed(new(20.0))
	r := sampleResult()
	r.Milling = &Milling{ROI: plan.ROI, Observation: *o, Decision: d}
	payload, err := json.Marshal(r.Finite())
	require.NoError(t, err)
	requireValid(t, "result", payload)
	o.FrontPx = new(math.NaN())
	r.Milling.Observation = *o
	payload, err = json.Marshal(r.Finite())
	require.NoError(t, err, "no NaN in what is kept")
	requireValid(t, "result", payload)
}

func TestRulesSeeWhatIsMilled(t *testing.T) {
	_, plan, o, d := observed(new(20.0))
	v := (&Milling{ROI: plan.ROI, Observation: *o, Decision: d}).Values()
	for name, want := range map[string]float64{
		"milling.progress": 0.25, "milling.front_nm": 1000, "milling.area_um2": 9000 * 400e-6, "milling.confidence": 0.95,
		"drift.x_px": 2.5, "drift.y_px": -1.25, "drift.px": math.Hypot(2.5, 1.25), "drift.nm": 20 * math.Hypot(2.5, 1.25), "drift.score": 0.75,
	} {
		require.InDelta(t, want, v[name], 1e-9, name)
	}
	require.NotContains(t, v, "milling.rate_nm_per_s", "of one frame")
	o.Drift.Success = false
	v = (&Milling{Observation: *o}).Values()
	require.NotContains(t, v, "drift.px")
	require.Empty(t, (*Milling)(nil).Values())
}

// serveFeedback serves a FeedbackService in this process.
func serveFeedback(t *testing.T, s *FeedbackService) aimsv1.FeedbackServiceClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	aimsv1.RegisterFeedbackServiceServer(server, s)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return aimsv1.NewFeedbackServiceClient(conn)
}

func TestWhoWatchesGetsTheNewest(t *testing.T) {
	s := &FeedbackService{}
	client := serveFeedback(t, s)
	publish := func(source, id string) {
		rec, plan, o, d := observed(new(20.0))
		rec.Source = source
		m := FeedbackOf(rec, plan, o, d)
		m.ID = id
		s.Publish(&m)
	}
	publish("fib", "1")
	publish("sem", "2")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	watch, err := client.Watch(ctx, &aimsv1.WatchRequest{Source: "fib"})
	require.NoError(t, err)
	f, err := watch.Recv()
	require.NoError(t, err)
	require.Equal(t, "1", f.GetId(), "the last one at once")
	publish("sem", "3")
	publish("fib", "4")
	f, err = watch.Recv()
	require.NoError(t, err)
	require.Equal(t, "4", f.GetId(), "of its source")

	// A reader that takes its time: nothing waits for it.
	w := &watcher{wake: make(chan struct{}, 1), waiting: map[string]*aimsv1.Feedback{}, skipped: map[string]uint64{}}
	for i := range 1000 {
		w.offer(&aimsv1.Feedback{Source: "fib", Seq: uint64(i)})
	}
	w.offer(&aimsv1.Feedback{Source: "sem", Seq: 7})
	p := s.next(w)
	require.EqualValues(t, 999, p.GetSeq())
	require.EqualValues(t, 999, p.GetSkipped())
	require.EqualValues(t, 7, s.next(w).GetSeq())
	require.Nil(t, s.next(w))

	s.Forget("fib")
	other, err := client.Watch(ctx, &aimsv1.WatchRequest{})
	require.NoError(t, err)
	f, err = other.Recv()
	require.NoError(t, err)
	require.Equal(t, "3", f.GetId(), "what a closed run said is not told to newcomers")
	_, err = client.Arm(ctx, &aimsv1.ArmRequest{Source: "fib", RunId: "r", LeaseMs: 1000})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	s.Close()
	_, err = watch.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
}
