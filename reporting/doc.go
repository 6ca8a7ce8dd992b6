// Package reporting is what goes out: the store (journal, results and outbox in one SQLite file), the MQTT
// publisher, and a run's folder with its tables, overlays and report.
package reporting
