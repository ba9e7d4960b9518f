namespace UserSvc.Tests.Attacks;

/// <summary>Many requests for a large answer on one connection, read at a byte a second.</summary>
internal sealed class SlowReads() : Attack("slow-reads", 1_300)
{
    private const int Pipelined = 100;

    private static readonly byte[] Requests = [.. Enumerable.Repeat("GET /user/large HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), Pipelined).SelectMany(request => request)];

    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        await using var connection = await ConnectAsync(target.Http, client, ending);
        await connection.WriteAsync(Requests, ending);
        Count(Pipelined);
        var read = new byte[1];
        while (await connection.ReadAsync(read, ending) > 0)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), ending);
        }
    }
}
