using UserSvc.Api.Database;
using UserSvc.ServiceDefaults;

namespace UserSvc.Tests.Api;

public sealed class ConnectionStringTests
{
    [Theory]
    [InlineData("Host=db;Port=5433;Username=me;Password=\"a;b\";Database=users", "Host=db;Port=5433;Username=me;Password=\"a;b\";Database=users")]
    [InlineData("Server=db;User Id=me", "Host=db;Username=me")]
    [InlineData("host=db;user=me;dbname=users;sslmode=verify-full", "Host=db;Username=me;Database=users;SSL Mode=VerifyFull")]
    [InlineData("host=db user = me password='it\\'s me; really' connect_timeout=5", "Host=db;Username=me;Password=\"it's me; really\";Timeout=5")]
    [InlineData("host=a,b port=5432,5433 user=me target_session_attrs=read-write load_balance_hosts=random",
        "Host=a:5432,b:5433;Username=me;Target Session Attributes=read-write;Load Balance Hosts=True")]
    [InlineData("host=::1,/run/pg port=5433,", "Host=[::1]:5433,/run/pg")]
    [InlineData("hostaddr=10.0.0.1 user=me passfile=/etc/pgpass application_name=mine", "Host=10.0.0.1;Username=me;Passfile=/etc/pgpass;Application Name=mine")]
    [InlineData("host=db sslmode=require", "Host=db;SSL Mode=Require")]
    [InlineData("host=db sslmode=require sslrootcert=/ca.crt sslcert=/me.crt sslkey=/me.key", "Host=db;SSL Mode=VerifyCA;Root Certificate=/ca.crt;SSL Certificate=/me.crt;SSL Key=/me.key")]
    [InlineData("host=db sslrootcert=system", "Host=db;SSL Mode=VerifyFull")]
    [InlineData("host=db keepalives=0 channel_binding=require", "Host=db;Tcp Keepalive=False;Channel Binding=Require")]
    [InlineData("postgres://db", "Host=db")]
    [InlineData("postgresql://me:p%40ss%2Fw%25rd@db:5433/my%20users", "Host=db;Port=5433;Username=me;Password=p@ss/w%rd;Database=\"my users\"")]
    [InlineData("postgresql://me@a,b:5433/users?target_session_attrs=primary", "Host=a,b:5433;Username=me;Database=users;Target Session Attributes=primary")]
    [InlineData("postgresql://me@[2001:db8::1]:5433/users", "Host=2001:db8::1;Port=5433;Username=me;Database=users")]
    [InlineData("postgresql://[::1],[::2]:5433", "Host=[::1],[::2]:5433")]
    [InlineData("postgresql://me@/users?host=/cloudsql/p:r:i&port=5433", "Host=/cloudsql/p:r:i;Port=5433;Username=me;Database=users")]
    [InlineData("postgresql://%2Fvar%2Frun/users", "Host=/var/run;Database=users")]
    [InlineData("postgresql:///users?host=db&user=me&options=-c%20search_path%3Dapp&connect_timeout=10&application_name=mine",
        "Host=db;Username=me;Database=users;Options=\"-c search_path=app\";Timeout=10;Application Name=mine")]
    [InlineData("POSTGRES://db?sslmode=disable&Maximum Pool Size=5", "Host=db;SSL Mode=Disable;Maximum Pool Size=5")]
    public void Parse_WhatPsqlOrNpgsqlTakes_IsNpgsqls(string text, string expected) =>
        Assert.Equivalent(new Npgsql.NpgsqlConnectionStringBuilder(expected), ConnectionString.Parse(text), strict: true);

    [Theory]
    [InlineData("", "is not set. Set it to PostgreSQL's connection string, such as Host=localhost;Username=usersvc;Database=users.")]
    [InlineData("secret", "is not a connection string. Write it as Host=…;Username=…;Database=…, or as postgresql://user@host/database.")]
    [InlineData("Username=me;Password=secret", "names no host. Add Host: a name, an address or the folder of a Unix socket.")]
    [InlineData("postgresql:///users", "names no host. Add Host: a name, an address or the folder of a Unix socket.")]
    [InlineData("Hots=secret;Username=me", "has the keyword hots, which is not supported. Leave it out, or see https://www.npgsql.org/doc/connection-string-parameters.html.")]
    [InlineData("host=db password=secret sslcrl=secret", "has the keyword sslcrl, which is not supported. Leave it out, or see https://www.npgsql.org/doc/connection-string-parameters.html.")]
    [InlineData("postgresql://db?pgbouncer=secret", "has the keyword pgbouncer, which is not supported. Leave it out, or see https://www.npgsql.org/doc/connection-string-parameters.html.")]
    [InlineData("Host=db;Password=my;secret=1", "holds something that is not a keyword. Quote a password with a semicolon or a space in it, and write a URI as postgresql://….")]
    [InlineData("jdbc:postgresql://me:secret@db?x=1", "holds something that is not a keyword. Quote a password with a semicolon or a space in it, and write a URI as postgresql://….")]
    [InlineData("Host=db;Port=secret", "has a value of port that Npgsql does not take. See https://www.npgsql.org/doc/connection-string-parameters.html.")]
    [InlineData("host=db sslmode=secret", "has a value of sslmode that Npgsql does not take. See https://www.npgsql.org/doc/connection-string-parameters.html.")]
    [InlineData("host=db hostaddr=10.0.0.1", "has both host and hostaddr, which mean the same. Leave one of them out.")]
    [InlineData("host=a,b port=1,2,3", "has another number of ports than of hosts. Give each host its port, or all of them one.")]
    [InlineData("postgresql://me:sec/ret@db", "is not a valid URI: percent-encode special characters in the user name and the password.")]
    [InlineData("postgresql://me:sec@ret@db", "is not a valid URI: percent-encode special characters in the user name and the password.")]
    [InlineData("postgresql://me:secret@db:port", "is not a valid URI: percent-encode special characters in the user name and the password.")]
    [InlineData("postgresql://me:100%secret@db", "has a % in its URI that is not followed by two hexadecimal digits: write it as %25.")]
    public void Parse_WhatItCannotUse_NamesTheKeywordAndNoValue(string text, string reason)
    {
        var failure = Assert.Throws<InvalidConfigurationException>(() => ConnectionString.Parse(text));

        Assert.Equal($"ConnectionStrings:users {reason}", failure.Message);
    }
}
