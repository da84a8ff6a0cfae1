-- Holds and pauses within a recording, for its waveform.
ALTER TABLE recording ADD COLUMN marks bytea;	-- parley.voice.v1.RecordingStopped
