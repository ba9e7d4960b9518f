namespace UserSvc.Tests.Attacks;

/// <summary>Requests whose head gets another line every two seconds, and no end.</summary>
internal sealed class SlowHeads() : Attack("slow-heads", 10_050)
{
    private static readonly byte[] Start = [.. "GET /user/quiet HTTP/1.1\r\nHost: x\r\n"u8];
    private static readonly byte[] Line = [.. "X-A: b\r\n"u8];

    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        await using var connection = await ConnectAsync(target.Http, client, ending);
        await connection.WriteAsync(Start, ending);
        Count();
        while (true)
        {
            await Task.Delay(TimeSpan.FromSeconds(2), ending);
            await connection.WriteAsync(Line, ending);
        }
    }
}
