"""Static Web Apps: its configuration, its decision about a request, sessions, and the personas to sign in as."""
