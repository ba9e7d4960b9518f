using System.Text;

namespace UserSvc.Tests.Attacks;

/// <summary>Heads just below the limits, 20 a second on each connection, and then one with 10,000 headers.</summary>
internal sealed class HugeHeaders() : Attack("huge-headers", 50)
{
    private static readonly byte[] Allowed = Head(60, 480);
    private static readonly byte[] TooMany = Head(10_000, 1);

    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        var connection = await ConnectAsync(target.Http, client, ending);
        await WriteAsync(connection, async () =>
        {
            for (var i = 0; i < 20; i++)
            {
                await connection.WriteAsync(Allowed, ending);
                Count();
                await Task.Delay(TimeSpan.FromMilliseconds(50), ending);
            }

            await connection.WriteAsync(TooMany, ending);
            Count();
        });
    }

    private static byte[] Head(int headers, int length) => Encoding.ASCII.GetBytes(
        $"GET /user/quiet HTTP/1.1\r\nHost: x\r\n{string.Concat(Enumerable.Range(0, headers).Select(i => $"X-{i}: {new string('a', length)}\r\n"))}\r\n");
}
