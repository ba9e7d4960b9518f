namespace UserSvc.Tests.Attacks;

/// <summary>Requests with the first byte of a body, and never the rest.</summary>
internal sealed class SlowBodies() : Attack("slow-bodies", 1_300)
{
    private static readonly byte[] Start =
        [.. "PUT /user/slow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"u8];

    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        await using var connection = await ConnectAsync(target.Http, client, ending);
        await connection.WriteAsync(Start, ending);
        Count();
        await UntilClosedAsync(connection, ending);
    }
}
