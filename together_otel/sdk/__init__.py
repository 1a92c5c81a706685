"""The SDKs' generations, each described in the same words. No OpenTelemetry here."""
