"""Pictures of clips, timelines, mixtures and reports, drawn by matplotlib on Axes that are passed and returned."""

__all__: list[str] = []
