// Package e2e tests the built program from outside, as an operator meets it: files written into folders,
// frames pushed over gRPC, messages read by another vendor's MQTT client, signals, exit statuses and the
// files it leaves. It holds tests only, for Linux. What they need and a machine may lack (ONNX Runtime's
// library, a broker) is named when they are skipped; with CI set in the environment, the library may not lack.
//
// Tests whose names end in Soak are what a facility relies on for months, in minutes: kills, full disks, reloads,
// damage. In `make test` each has a short form of a few seconds; `make soak SOAK_MINUTES=N` runs the full forms. Every
// one prints its seed; SOAK_SEED repeats it.
package e2e
