// A heartbeat in Go: go build examples/heartbeat.go && watchdog run -- ./heartbeat
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"
)

func main() {
	path := os.Getenv("WATCHDOG_HEARTBEAT")
	turn, err := time.ParseDuration(os.Getenv("TURN") + "s")
	if err != nil {
		turn = 10 * time.Second
	}
	for {
		time.Sleep(turn) // your work
		beat, _ := json.Marshal(map[string]any{
			"pid": os.Getpid(), "runId": os.Getenv("WATCHDOG_RUN_ID"), "lastCycle": time.Now().UTC()})
		if err := os.WriteFile(path+".tmp", beat, 0o600); err != nil {
			log.Fatal(err)
		}
		if err := os.Rename(path+".tmp", path); err != nil { // after the work, never from a timer
			log.Fatal(err)
		}
	}
}
