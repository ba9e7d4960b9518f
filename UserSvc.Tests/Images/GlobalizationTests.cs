using UserSvc.AppHost.Processes;
using UserSvc.Tests.AppHost;
using UserSvc.Tests.Chaos;

namespace UserSvc.Tests.Images;

/// <summary>One name in two Unicode forms is one user, in the process that an image starts.</summary>
public sealed class GlobalizationTests(PostgresFixture postgres) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("usersvc-image-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task UserName_InTwoForms_IsOneUser()
    {
        var address = new Uri($"http://127.0.0.1:{Ports.Free()}");
        await using var service = new ServiceProcess(
            "usersvc-1", typeof(UserSvc.Api.Program).Assembly, new(address, "/health"), Path.Combine(_folder, "usersvc-1.log"),
            ["--Instance:Name=usersvc-1", "--Instance:Address=127.0.0.1", $"--urls={address}", $"--contentRoot={Manifest.RepositoryFile("UserSvc.Api")}"],
            [("ConnectionStrings__users", await postgres.CreateDatabaseAsync()), .. await EnvironmentAsync(invariant: "false")]);
        await service.StartAsync();
        using var client = new HttpClient { BaseAddress = address };

        var created = await client.PutUserAsync(Uri.EscapeDataString("Zoe\u0308"), "Zoe", "correct horse");
        var again = await client.PutUserAsync(Uri.EscapeDataString("Zo\u00eb"), "Zoe", "correct horse");
        var read = await client.AnswerToGetAsync($"/user/{Uri.EscapeDataString("Zo\u00eb")}");

        Assert.Equal([Answer.User(201, "Zoe"), Answer.User(200, "Zoe"), Answer.User(200, "Zoe")], [created, again, read]);
    }

    [Fact]
    public async Task Start_OnABaseWithoutIcu_IsRefusedWithTheReason()
    {
        var run = await Command.RunAsync(
            ["dotnet", typeof(UserSvc.Api.Program).Assembly.Location], TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken,
            [("ConnectionStrings__users", "Host=127.0.0.1"), .. await EnvironmentAsync(invariant: "true")]);

        Assert.Equal(
            "Unhandled exception. System.InvalidOperationException: Unicode normalization does not work, so one user's name would be several: "
            + "run with ICU and without DOTNET_SYSTEM_GLOBALIZATION_INVARIANT.",
            run.Error.Split('\n')[0]);
    }

    /// <summary>The base's, which stands above the service's runtimeconfig.json: "extra" has ICU and says false, the plain chiselled one true. Then the image's own.</summary>
    private static async Task<IEnumerable<(string Name, string Value)>> EnvironmentAsync(string invariant) =>
        [("DOTNET_RUNNING_IN_CONTAINER", "true"), ("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", invariant), .. (await ServiceImage.OfAsync("UserSvc.Api")).Environment];
}
