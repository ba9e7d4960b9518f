using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Images;

/// <summary>One name in two Unicode forms is one user, in the process that an image starts.</summary>
public sealed class GlobalizationTests(PostgresFixture postgres)
{
    [Fact]
    public async Task UserName_InTwoForms_IsOneUser()
    {
        await using var service = await ContainerProcess.UsersvcAsync(
            await postgres.CreateDatabaseAsync(), ("Instance__Name", "usersvc-1"), ("Instance__Address", "127.0.0.1"));

        var created = await service.Client.PutUserAsync(Uri.EscapeDataString("Zoe\u0308"), "Zoe", "correct horse");
        var again = await service.Client.PutUserAsync(Uri.EscapeDataString("Zo\u00eb"), "Zoe", "correct horse");
        var read = await service.Client.AnswerToGetAsync($"/user/{Uri.EscapeDataString("Zo\u00eb")}");

        Assert.Equal([Answer.User(201, "Zoe"), Answer.User(200, "Zoe"), Answer.User(200, "Zoe")], [created, again, read]);
    }

    [Fact]
    public async Task Start_OnABaseWithoutIcu_IsRefusedWithTheReason()
    {
        var run = await Command.RunAsync(
            ["dotnet", typeof(UserSvc.Api.Program).Assembly.Location], Eventually.Deadline, TestContext.Current.CancellationToken,
            [.. await ContainerProcess.EnvironmentAsync("UserSvc.Api"), ("ConnectionStrings__users", "Host=127.0.0.1"), ("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "true")]);

        Assert.Equal(
            (1, "Unicode normalization does not work, so one name could belong to several users: run with ICU and without DOTNET_SYSTEM_GLOBALIZATION_INVARIANT."),
            (run.ExitCode, run.Error));
    }
}
