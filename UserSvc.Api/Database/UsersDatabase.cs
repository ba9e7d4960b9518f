using System.Diagnostics;
using Aspire.Npgsql;
using Npgsql;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Database;

internal static class UsersDatabase
{
    /// <summary>The data source, the schema with its readiness check, and everything that reads and writes users.</summary>
    public static void AddUsersDatabase(this WebApplicationBuilder builder)
    {
        builder.AddNpgsqlDataSource("users", ReadConnectionString, ConfigureTracing);
        builder.Services.AddSingleton<DatabaseOutage>();
        builder.Services.AddHostedService(services => services.GetRequiredService<DatabaseOutage>());
        builder.Services.AddCheckedOptions<SchemaOptions>("Schema");
        builder.Services.AddSingleton<SchemaMigration>();
        builder.Services.AddHostedService(services => services.GetRequiredService<SchemaMigration>());
        builder.Services.AddHealthChecks().AddCheck<SchemaHealthCheck>("schema", tags: [ServiceDefaultsExtensions.ReadyTag]);
        builder.Services.AddCheckedOptions<UserLookupOptions>("Lookup");
        builder.Services.AddSingleton<UserLookup>();
        builder.Services.AddSingleton<UserStore>();
    }

    private static void ReadConnectionString(NpgsqlSettings settings)
    {
        var connection = ConnectionString.Parse(settings.ConnectionString);
        ConnectionString.RequireFiles(connection);
        SetDefaults(connection);
        ConnectionString.RequireNpgsql(connection);
        settings.ConnectionString = connection.ConnectionString;
    }

    // The connection string takes precedence.
    private static void SetDefaults(NpgsqlConnectionStringBuilder connection)
    {
        if (connection.Host?.Contains(',') == true)
        {
            Default("Target Session Attributes", () => connection.TargetSessionAttributes = "primary");
            // Not -1 as below: with -1 Npgsql does not mark a host that times out as offline, so every new connection would first wait for it.
            Default("Cancellation Timeout", () => connection.CancellationTimeout = 500);
        }

        Default("Timeout", () => connection.Timeout = 2);
        Default("Command Timeout", () => connection.CommandTimeout = 3);
        // When a command times out, Npgsql sends a cancel over a second connection. -1 only skips waiting for the command to end: the
        // connection is closed and the caller gets its error.
        Default("Cancellation Timeout", () => connection.CancellationTimeout = -1);
        if (connection.Host!.Split(',').All(Path.IsPathRooted))
        {
            // Unix sockets have neither, so libpq ignores them. With them, Npgsql cannot connect.
            string[] network = ["Tcp Keepalive", "Tcp Keepalive Time", "Tcp Keepalive Interval", "SSL Mode", "SSL Negotiation"];
            Array.ForEach(network, keyword => connection.Remove(keyword));
        }
        else
        {
            // The lookup's connection may be idle for long, and networks drop idle connections (Google Cloud after 10 minutes).
            Default("Tcp Keepalive", () => connection.TcpKeepAlive = true);
            // Npgsql turns keepalives on if it has a time for them, and refuses an interval without one.
            Default("Tcp Keepalive Time", () => connection.TcpKeepAliveTime = connection.TcpKeepAlive ? 60 : 0);
            Default("Tcp Keepalive Interval", () => connection.TcpKeepAliveInterval = connection.TcpKeepAliveTime > 0 ? 10 : 0);
        }

        Default("Maximum Pool Size", () => connection.MaxPoolSize = 20);
        // Nothing here changes the state of a session. Behind a pooler that pools transactions, the reset would hit another client's session.
        Default("No Reset On Close", () => connection.NoResetOnClose = true);
        Default("Application Name", () => connection.ApplicationName = "usersvc");

        void Default(string keyword, Action set)
        {
            // Not ContainsKey, which is true for every known keyword.
            if (!connection.ShouldSerialize(keyword))
            {
                set();
            }
        }
    }

    // Commands have spans only inside recorded traces: an unsampled request pays nothing for them.
    private static void ConfigureTracing(NpgsqlDataSourceBuilder dataSource) =>
        dataSource.ConfigureTracing(tracing => tracing.ConfigureCommandFilter(_ => Activity.Current is { Recorded: true }).EnablePhysicalOpenTracing(false));
}
