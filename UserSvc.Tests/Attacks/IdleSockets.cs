namespace UserSvc.Tests.Attacks;

/// <summary>More connections than a listener takes, on which nothing is sent.</summary>
internal sealed class IdleSockets() : Attack("idle-sockets", 10_050)
{
    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        await using var connection = await ConnectAsync(target.Http, client, ending);
        await UntilClosedAsync(connection, ending);
    }
}
