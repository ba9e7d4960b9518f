namespace UserSvc.Tests.Attacks;

/// <summary>Readers of the admin page's events that never read: as many as there are streams.</summary>
internal sealed class StalledEvents() : Attack("stalled-events", 32)
{
    private static readonly byte[] Request = [.. "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"u8];
    private static readonly byte[] Line = [.. "\r\n"u8];

    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        await using var connection = await ConnectAsync(target.Admin, client, ending);
        await connection.WriteAsync(Request, ending);
        Count();
        while (true)
        {
            // Fails once the edge has cut the connection.
            await Task.Delay(TimeSpan.FromSeconds(1), ending);
            await connection.WriteAsync(Line, ending);
        }
    }
}
