"""The report's figures: contents → Plotly's JSON. Only these modules import plotly."""
