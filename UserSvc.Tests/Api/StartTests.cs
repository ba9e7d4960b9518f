using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using UserSvc.ServiceDefaults;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Api;

/// <summary>What an operator reads when a service cannot start.</summary>
public sealed class StartTests(PostgresFixture postgres)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Lookup:QueueLimit", "0", "Lookup:QueueLimit must be between 1 and 100000.")]
    [InlineData("Lookup:QueueLimit", "many", "Lookup:QueueLimit is not a number in range: many")]
    [InlineData("Lookup:QueueLimits", "5", "Lookup:QueueLimits is not a setting. Lookup has BatchLimit, Prepare, QueueLimit.")]
    [InlineData("PasswordThrottle:Pause", "10", "PasswordThrottle:Pause is not a time span such as 00:00:10: 10")]
    [InlineData("Audit:Names", "7", "Audit:Names is not one of Hashed, Clear: 7")]
    [InlineData("Client:TrustedProxy:0", "10.0.0.0/8", "Client:TrustedProxy is not a setting. Client has TrustedProxies.")]
    [InlineData("Admin", "a secret value", "Admin is a section or a list, not one value.")]
    [InlineData("Drain:Tim", "00:00:01", "Drain:Tim is not a setting. Drain has Grace, Time.")]
    [InlineData("Kestrel:AddServerHeader", "maybe", "Failed to convert configuration value 'maybe' at 'Kestrel:AddServerHeader' to type 'System.Boolean'.")]
    [InlineData("Kestrel:Limits:MaxRequestBodySize", "-1", "Kestrel:Limits:MaxRequestBodySize cannot be -1: Value must be null or a non-negative number. (Parameter 'value')")]
    [InlineData("Drain:Time", "01:00:00", "Drain:Time and Drain:Grace must be between 0 and 5 minutes")]
    [InlineData("contentRoot", "/no/folder", "The content root is not a folder: /no/folder/")]
    [InlineData("urls", "nonsense", "Invalid url: 'nonsense'")]
    [InlineData("urls", "http://192.0.2.1:80", "Cannot listen on a configured address: Cannot assign requested address. Configure an address of this machine and a port that this user may open.")]
    [InlineData("ConnectionStrings:users", "postgres://me:secret@db?sslcrl=x",
        "ConnectionStrings:users has the keyword sslcrl, which is not supported. Leave it out, or see https://www.npgsql.org/doc/connection-string-parameters.html.")]
    [InlineData("ConnectionStrings:users", null, "ConnectionStrings:users is not set. Set it to PostgreSQL's connection string, such as Host=localhost;Username=usersvc;Database=users.")]
    [InlineData("ConnectionStrings:users", "Host=db;Multiplexing=true;Pooling=false", "ConnectionStrings:users cannot be used: Pooling must be on to use multiplexing.")]
    [InlineData("ConnectionStrings:users", "Host=a,b;Multiplexing=true", "ConnectionStrings:users cannot be used: Multiplexing is not supported with multiple hosts.")]
    [InlineData("ConnectionStrings:users", "Host=db;Minimum Pool Size=30", "ConnectionStrings:users cannot be used: Connection can't have 'Max Pool Size' 20 under 'Min Pool Size' 30.")]
    [InlineData("ConnectionStrings:users", "postgres://db?sslnegotiation=direct",
        "ConnectionStrings:users cannot be used: SSL Mode has to be Require or higher to be used with direct SSL Negotiation.")]
    [InlineData("ConnectionStrings:users", "postgres://db?target_session_attrs=primary",
        "ConnectionStrings:users cannot be used: Target Session Attributes other then Any is only supported with multiple hosts.")]
    [InlineData("ConnectionStrings:users", "host=127.0.0.1 keepalives_idle=0 keepalives_interval=5",
        "ConnectionStrings:users cannot be used: If TcpKeepAliveInterval is defined, TcpKeepAliveTime must be defined as well.")]
    public async Task Api_WithAWrongSetting_SaysSoInOneLine(string key, string? value, string message) =>
        Assert.Equal((1, message + Environment.NewLine), await RunAsync("Host=127.0.0.1;Port=9", (key, value)));

    [Theory]
    [InlineData("Password=secret", "PostgreSQL rejects the login. Correct the user name or the password of ConnectionStrings:users, or allow the connection in pg_hba.conf.")]
    [InlineData("Password=", "PostgreSQL cannot be used with ConnectionStrings:users: No password has been provided but the backend requires one (in SASL/SCRAM-SHA-256)")]
    [InlineData("Database=missing", "The database of ConnectionStrings:users does not exist. Create it, or correct the name.")]
    [InlineData("SSL Mode=Require", "PostgreSQL cannot be used with ConnectionStrings:users: SSL connection requested. No SSL enabled connection from this host is configured.")]
    [InlineData("Options=-c search_path=nowhere", "The search path holds no schema that the role postgres may use. GRANT USAGE ON SCHEMA to it, or ALTER ROLE postgres SET search_path.")]
    public async Task Api_ThatTheDatabaseRejects_SaysSoInOneLine(string keyword, string message)
    {
        var (key, value) = (keyword.Split('=', 2)[0], keyword.Split('=', 2)[1]);
        var database = new NpgsqlConnectionStringBuilder(await postgres.CreateDatabaseAsync()) { [key] = value };

        Assert.Equal((1, message + Environment.NewLine), await RunAsync(database.ConnectionString));
    }

    [Theory]
    [InlineData("0003_future.sql", "The schema is newer than this version of the service: script 3 was applied, and this version has 1. Start the newer version.")]
    [InlineData("0002_next.sql", null)]
    public async Task Api_OlderThanTheSchema_StartsOnlyIfItIsTheVersionBefore(string script, string? message)
    {
        var database = await postgres.CreateDatabaseAsync();
        Assert.Equal((0, ""), await RunAsync(database, ("Schema:MigrateOnly", "true")));
        await Sql.ExecuteAsync(database, $"INSERT INTO schema_versions (scriptname, applied) VALUES ('UserSvc.Api.Database.Scripts.{script}', now())");

        Assert.Equal(message is null ? (0, "") : (1, message + Environment.NewLine), await RunAsync(database, ("Schema:MigrateOnly", "true")));
    }

    public static TheoryData<Func<object>> Bugs => new()
    {
        () => Enumerable.Empty<string>().First(),
        () => int.Parse("many", CultureInfo.InvariantCulture),
        () => new ServiceCollection().BuildServiceProvider().GetRequiredService<TimeProvider>(),
        () => throw new ArgumentException("ours"),
    };

    [Theory]
    [MemberData(nameof(Bugs), DisableDiscoveryEnumeration = true)]
    public async Task Bug_DuringTheStart_KeepsItsStackTrace(Func<object> bug)
    {
        var failure = await Record.ExceptionAsync(() => RunAsync(() => (WebApplication)bug()));

        Assert.Contains(nameof(Bugs), failure?.StackTrace, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Port_InUse_IsOneLineForBothServices()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var url = $"http://{other.LocalEndpoint}";
        var message = (1, $"Failed to bind to address {url}: address already in use. Stop the program that listens there, or configure another port.{Environment.NewLine}");

        Assert.Equal(message, await RunAsync("Host=127.0.0.1;Port=9", ("urls", url)));
        Assert.Equal(message, await RunAsync(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([("Kestrel:Endpoints:Http:Url", url)], ("usersvc-1", "http://127.0.0.1:9")))));
    }

    [Fact]
    public async Task Sigterm_DuringTheStart_IsNotAFailure()
    {
        var database = await postgres.CreateDatabaseAsync();

        Assert.Equal((0, ""), await RunAsync(() => Stopped(UserSvc.Api.Program.Build(ApiInstance.Arguments(database)))));
        Assert.Equal((0, ""), await RunAsync(() => Stopped(UserSvc.Edge.Program.Build(EdgeHost.Arguments([], ("usersvc-1", "http://127.0.0.1:9"))))));

        static WebApplication Stopped(WebApplication app)
        {
            // What the host does on SIGTERM.
            app.Lifetime.StopApplication();
            return app;
        }
    }

    [Fact]
    public async Task Process_ThatTheDatabaseRejects_PrintsNothingElse()
    {
        var database = new NpgsqlConnectionStringBuilder(await postgres.CreateDatabaseAsync()) { Password = "secret" };
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(typeof(UserSvc.Api.Program).Assembly.Location);
        foreach (var argument in ApiInstance.Arguments(database.ConnectionString, ("Logging:Console:LogLevel:Default", "Warning")))
        {
            start.ArgumentList.Add(argument);
        }

        using var api = Process.Start(start)!;
        var output = api.StandardOutput.ReadToEndAsync(Cancellation);
        var error = await api.StandardError.ReadToEndAsync(Cancellation);
        await api.WaitForExitAsync(Cancellation);

        Assert.Equal(
            (1, $"PostgreSQL rejects the login. Correct the user name or the password of ConnectionStrings:users, or allow the connection in pg_hba.conf.{Environment.NewLine}", ""),
            (api.ExitCode, error, await output));
    }

    private static Task<(int Code, string Error)> RunAsync(string connectionString, params (string Key, string? Value)[] settings) =>
        RunAsync(() => UserSvc.Api.Program.Build(ApiInstance.Arguments(connectionString, settings)));

    private static async Task<(int Code, string Error)> RunAsync(Func<WebApplication> build)
    {
        using var error = new StringWriter(CultureInfo.InvariantCulture);
        var code = await ServiceProgram.RunAsync(build, error);
        return (code, error.ToString());
    }
}
