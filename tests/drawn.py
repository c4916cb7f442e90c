"""What a figure shows, as plain values."""


def lines_and_marks(figure, row):
    axis = "x" if row == 1 else f"x{row}"
    of_row = [trace for trace in figure.data if (trace.xaxis or "x") == axis and trace.x != (None,)]
    lines = {trace.name: (list(trace.x), list(trace.y)) for trace in of_row if trace.mode == "lines"}
    marks = [
        (trace.legendgroup, trace.marker.symbol, *place)
        for trace in of_row
        if trace.mode == "markers"
        for place in zip(trace.x, trace.y, strict=True)
    ]
    return lines, marks
