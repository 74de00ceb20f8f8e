package winchester

// Match finds the streams that events belong to, as adding them does before its
// transaction begins, and counts them by trigger.
func Match(m *TriggerManager, events []Event, into map[string]int) {
	for _, it := range newBatch(m, events).items {
		for _, p := range it.places {
			into[p.trigger.def.Name]++
		}
	}
}
