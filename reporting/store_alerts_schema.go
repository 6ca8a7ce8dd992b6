package reporting

// alertsV3 lets alerts be shelved, remembers when they ended (a cooldown outlives a restart), and keeps every
// change of an alert for reports. The past of alerts can be deleted by time; the alerts table itself stays
// as small as there are rules and sources.
const alertsV3 = `
ALTER TABLE alerts RENAME TO alerts_before;
CREATE TABLE alerts(
	code TEXT NOT NULL,
	key TEXT NOT NULL,
	state TEXT NOT NULL CHECK(state IN ('raised','updated','acked','shelved','cleared')),
	id TEXT NOT NULL,
	seq INTEGER NOT NULL,
	severity TEXT NOT NULL,
	raised_at INTEGER NOT NULL,
	payload BLOB,
	acked_by TEXT NOT NULL DEFAULT '',
	acked_at INTEGER NOT NULL DEFAULT 0,
	shelved_by TEXT NOT NULL DEFAULT '',
	shelved_until INTEGER NOT NULL DEFAULT 0,
	cleared_at INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY(code, key)
) STRICT, WITHOUT ROWID;
INSERT INTO alerts(code, key, state, id, seq, severity, raised_at, payload, acked_by, acked_at)
	SELECT code, key, state, id, seq, severity, raised_at, payload, acked_by, acked_at FROM alerts_before;
DROP TABLE alerts_before;
CREATE TABLE alert_changes(
	n INTEGER PRIMARY KEY,
	alert_id TEXT NOT NULL,
	code TEXT NOT NULL,
	key TEXT NOT NULL,
	seq INTEGER NOT NULL,
	state TEXT NOT NULL,
	run_id TEXT NOT NULL,
	time INTEGER NOT NULL,
	payload BLOB NOT NULL
) STRICT;
CREATE INDEX alert_changes_time ON alert_changes(time);
CREATE INDEX alert_changes_run ON alert_changes(run_id, n);
CREATE INDEX alert_changes_alert ON alert_changes(alert_id, n);`
